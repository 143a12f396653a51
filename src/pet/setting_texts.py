"""Values of settings as an operator may see them: no password and no secret in them."""

from __future__ import annotations

import re

from pydantic import SecretStr

from pet.hashing_costs import HashingCosts
from pet.operation_limits import OperationLimits


def masked(text: str) -> str:
    """Hide whatever could be a password in a URL, well-formed or not: better too much than too little."""
    text = re.sub(r":(?!//).*@", ":***@", text, flags=re.DOTALL)
    return re.sub(r"((?:password|secret|token|key)\w*=)[^&]*", r"\1***", text, flags=re.IGNORECASE)


def shown(value: object) -> str:
    """Return a value in the form in which an operator writes it; a secret as stars."""
    match value:
        case None | SecretStr():
            return "***" if value else "not set"
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(map(str, value)) or "none"
        case OperationLimits() | HashingCosts():
            return str(value)
    return masked(str(value))
