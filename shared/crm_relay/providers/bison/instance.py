"""Which EmailBison it is: every customer of the vendor has an instance with a host of its own."""

from urllib.parse import urlsplit


def instance_host(address: str) -> str:
    """Of an address with or without a scheme; lower-case, without the port. Empty where it is no address."""
    text = address.strip()
    try:
        host = urlsplit(text if "//" in text else f"//{text}").hostname
    except ValueError:
        host = None
    return (host or "").rstrip(".")
