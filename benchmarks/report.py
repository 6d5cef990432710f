from __future__ import annotations
from dataclasses import dataclass, field
from typing import Any
from .contenders import CONTENDERS
@dataclass
class Results:
    http: Any = field(default_factory=dict)
    tls: Any = field(default_factory=dict)
    environment: Any = field(default_factory=dict)
    connections: Any = field(default_factory=dict)
    threads: Any = field(default_factory=dict)
    imports: Any = field(default_factory=dict)
def markdown(found):
    lines=[]
    for name,c in CONTENDERS.items():
        if name in found.http:
            lines.append(f"{c.label:58} {found.http[name].ratio:6.2f} {found.http[name].seconds*1e6:7.0f} us   {found.tls[name].ratio:6.2f} {found.tls[name].seconds*1e6:7.0f} us")
    return "\n".join(lines)+f"\n{found.environment}\n{found.connections}\n{found.threads}\n{found.imports}"
def write(found): pass
