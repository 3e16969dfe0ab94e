"""Which user agents are programs that open mails and follow links before a person does; pure."""

SCANNERS = {
    "barracuda": "a mail gateway's link check",
    "proofpoint": "a mail gateway's link check",
    "mimecast": "a mail gateway's link check",
    "symantec": "a mail gateway's link check",
    "trendmicro": "a mail gateway's link check",
    "forcepoint": "a mail gateway's link check",
    "fireeye": "a mail gateway's link check",
    "zscaler": "a mail gateway's link check",
    "ironport": "a mail gateway's link check",
    "safelinks": "a mail gateway's link check",
    "preview": "a link preview",
    "facebookexternalhit": "a link preview",
    "slackbot": "a link preview",
    "whatsapp": "a link preview",
    "headless": "a browser without a screen",
    "phantomjs": "a browser without a screen",
    "bot": "a crawler",
    "crawler": "a crawler",
    "spider": "a crawler",
    "python": "a program, not a browser",
    "curl": "a program, not a browser",
    "wget": "a program, not a browser",
    "go-http-client": "a program, not a browser",
    "java/": "a program, not a browser",
    "okhttp": "a program, not a browser",
    "libwww": "a program, not a browser",
    "guzzlehttp": "a program, not a browser",
}
"""Parts of user agents, lower-case, and what has them."""

IMAGE_PROXIES = {"googleimageproxy": "an image proxy", "yahoomailproxy": "an image proxy"}
"""Those that fetch pictures where a person opens the mail; none of them follows a link."""


def scanner_of(agent: str | None) -> str | None:
    """What follows links under this name; None: perhaps a person."""
    return _first_of(SCANNERS, agent)


def image_proxy_of(agent: str | None) -> str | None:
    """What fetches pictures under this name."""
    return _first_of(IMAGE_PROXIES, agent)


def _first_of(parts: dict[str, str], agent: str | None) -> str | None:
    name = (agent or "").lower()
    return next((what for part, what in parts.items() if part in name), None)
