"""The `reason` of an event: the reply with addresses and IPs masked, so that equal refusals group together."""

import re

# Applied to single words of a reply, so a long hostile one stays cheap.
_ADDRESS = re.compile(r"<?[^\s<>@\"'(),;:]{1,256}@[^\s<>@\"'(),;]{1,255}>?")
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}|[0-9a-fA-F:]{0,35}::[0-9a-fA-F:.]{0,35})(?![\w:])")


def masked(raw: str) -> str:
    """Return a reply without what varies from message to message: `<kim@there.test>` becomes `<...>`, `192.0.2.1` `x.x.x.x`."""
    text = raw
    if "@" in text:
        text = " ".join([_ADDRESS.sub("<...>", word) if "@" in word else word for word in text.split(" ")])
    if text.count(".") > 2:
        text = _IPV4.sub("x.x.x.x", text)
    if "::" in text or text.count(":") > 6:
        text = " ".join([_IPV6.sub("x:x::x", word) if ":" in word else word for word in text.split(" ")])
    return text


CANCELED = "554 5.7.1 [internal] Campaign cancelled"  # of a message whose transmission was cancelled
_SUPPRESSED_BY = {
    "Bounce Rule": "customer policy (Bounce Rule)",
    "Spam Complaint": "customer policy (Spam Complaint)",
    "List Unsubscribe": "customer policy (List Unsubscribe)",
    "Unsubscribe Link": "customer policy (Link Unsubscribe)",
    "Manually Added": "customer policy (Unsubscribe Rule)",
    "Compliance": "system policy (Compliance)",
}


def unconfigured_reason(domain: str) -> str:
    """Return the reason of mail whose sender may not use its From domain (SparkPost reference, section 2.31.1)."""
    return f"550 5.7.1 Unconfigured Sending Domain <{domain}>"


def suppression_reason(source: str) -> str:
    """Return the reason of a suppressed recipient's bounce (SparkPost reference, section 6.2)."""
    return f"554 5.7.1 recipient address was suppressed due to {_SUPPRESSED_BY.get(source, 'customer policy (Unsubscribe Rule)')}"
