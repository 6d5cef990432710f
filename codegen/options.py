"""Custom options, such as logger.sensitivity, made readable without generated code for them."""

from __future__ import annotations

from typing import Any, cast

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet


def with_custom_options(files: FileDescriptorSet) -> FileDescriptorSet:
    """Return a copy of a set whose custom options are extensions instead of unknown fields.

    The copy's classes live in a pool of its own, so that nothing here meets the options that
    another package registered in protobuf's default pool.

    Args:
        files: a complete set, the files before those that import them.
    """
    pool: Any = descriptor_pool.DescriptorPool()
    own = descriptor_pb2.DESCRIPTOR
    if own.name not in {file.name for file in files.file}:
        pool.AddSerializedFile(own.serialized_pb)
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    set_type = pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet")
    message = message_factory.GetMessageClass(set_type)()
    message.ParseFromString(files.SerializeToString())
    return cast(FileDescriptorSet, message)
