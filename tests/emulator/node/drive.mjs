// Drives an emulator with the published livekit-server-sdk; prints what it saw as one JSON object.
import { ConnectorClient, TwirpError } from "livekit-server-sdk";
import { SessionDescription, ConnectTwilioCallRequest_TwilioCallDirection as Direction } from "@livekit/protocol";
import { TwirpRpc } from "./node_modules/livekit-server-sdk/dist/TwirpRPC.js";

const { url, key, secret, inbound, regionsUrl, scenarios } = JSON.parse(process.env.EMULATOR);
console.warn = () => {};

async function outcome(call) {
  try {
    return await call();
  } catch (error) {
    return { code: error.code, status: error.status };
  }
}

async function fiveRpcs() {
  const connector = new ConnectorClient(url, key, secret);
  const meta = {
    whatsappPhoneNumberId: "106540352242922",
    whatsappApiKey: "graph-secret",
    whatsappCloudApiVersion: "23.0",
  };
  const dialled = await connector.dialWhatsAppCall({ ...meta, whatsappToPhoneNumber: "15551230000", roomName: "sales" });
  const answer = new SessionDescription({ type: "answer", sdp: "v=0\r\n" });
  await connector.connectWhatsAppCall(dialled.whatsappCallId, answer);
  const again = await outcome(() => connector.connectWhatsAppCall(dialled.whatsappCallId, answer));
  await connector.disconnectWhatsAppCall(dialled.whatsappCallId, "graph-secret");
  const accepted = await connector.acceptWhatsAppCall({
    ...meta,
    whatsappCallId: inbound.id,
    sdp: new SessionDescription({ type: "offer", sdp: inbound.sdp }),
    waitUntilAnswered: true,
  });
  const twilio = await connector.connectTwilioCall({
    twilioCallDirection: Direction.TWILIO_CALL_DIRECTION_OUTBOUND,
    roomName: "desk",
  });
  return {
    dialled: dialled.whatsappCallId,
    room: dialled.roomName,
    again,
    accepted: accepted.roomName,
    connectUrl: twilio.connectUrl,
  };
}

const failover = [];
for (const { mock, options } of scenarios) {
  const rpc = new TwirpRpc(regionsUrl, "livekit", { failoverForce: true, failoverBackoffMs: 1, ...options });
  const headers = { "X-Lk-Mock": JSON.stringify({ ...mock, skipAuth: true }), Authorization: "Bearer placeholder" };
  failover.push(await outcome(() => rpc.request("Connector", "DialWhatsAppCall", { roomName: "sales" }, headers)));
}
console.log(JSON.stringify({ calls: await fiveRpcs(), failover }));
