"""Plain text, footers and addresses: what a mail needs besides its template."""

from email import message_from_string, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_relay.mail.mail_text import formatted_address, html_to_text, with_footer
from crm_relay.platform.errors import RejectedInput
from crm_relay.rules.templates import one_line

URL = "https://crm.example/u/tok-1?a=1&b=2"
FILLERS = "&nbsp;&zwnj;&#8203;&zwj;&lrm;&rlm;&#65279;&#847;&#8199;&shy;"
PERSIAN = "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc \U0001f469\u200d\U0001f4bb"
"""Joiners that mean something: in a word, and in one sign of two."""
NAMES = st.lists(
    st.sampled_from(
        ["\r\n", "\n", '"', "\\", ",", "<", ">", "@", "=?utf-8?q?x?=", "Bcc: eve@example.com", "é", "李", " "]
    )
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    max_size=12,
).map("".join)


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>Hello <b>you</b>,</p><p>bye</p>", "Hello you,\n\nbye"),
        ("one<br>two<br/><br>three", "one\ntwo\n\nthree"),
        ("<div><div>a</div></div><div>b</div>", "a\nb"),
        ("<ul><li>a</li><li>b</li></ul>c", "- a\n- b\n\nc"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a\nb"),
        ("Tom &amp; Jerry &lt;3&nbsp;&eacute;", "Tom & Jerry <3 é"),
        ("a\n   b\t c", "a b c"),
        ('<a href="https://x.example/?a=1&amp;b=2">Look</a>!', "Look (https://x.example/?a=1&b=2)!"),
        ('<a href="https://x.example/">https://x.example/</a>', "https://x.example/"),
        ('<a href="mailto:a@example.com">a@example.com</a>', "a@example.com"),
        ('<a href="#top">up</a> <a>none</a> <a href="javascript:x">js</a>', "up none js"),
        ('<a href="https://x.example/"><img src="i.png"></a>', "https://x.example/"),
        ('<a href="https://x.example/"><img alt="Logo" src="i.png"></a>', "Logo (https://x.example/)"),
        ('<a href="https://a.example">a<a href="https://b.example">b', "a (https://a.example)b (https://b.example)"),
        ("<head><title>T</title><style>p{}</style></head><body>x<script>1<2</script></body>", "x"),
        ("<!-- note --><!--[if mso]><p>old</p><![endif]-->new<![endif]-->", "new"),
        ("Hi {{contact.first_name|you}}", "Hi {{contact.first_name|you}}"),
        ('<a href="{{link}}">go</a>', "go ({{link}})"),
        ("a<!-- > b", "a"),
        ("</style></p>x", "x"),
        (f"<div style='display:none;max-height:0'>A teaser<div>{FILLERS}</div></div><p>Hello</p>", "Hello"),
        (f"{FILLERS}<p>{FILLERS}Hello{FILLERS}</p>", "Hello"),
        ("<span style='DISPLAY : none !important'>a<img alt='b'></span><p>c</p>", "c"),
        ("<style>@media print{.c{display:none}} div.b,.a{display:none}</style><p class='x a'>a</p><p class=c>c", "c"),
        ("<p style='font-size:0px'>a</p><p style='font-size:0.9em'>b</p>", "b"),
        ("<p style='max-height:0px;overflow:hidden'>a</p><p style='max-height:0;'>b</p>", "b"),
        ("<p style='opacity:0'>a</p><p style='opacity:0.5'>b</p><p hidden>c</p>", "b"),
        ("<p style='visibility:hidden'>a</p><p style='mso-hide:all'>b</p>", "b"),
        ("<div><p style='display:none'>a</div>b", "b"),
        ("<p style='display:none'>a<p>b", "b"),
        ("<table><tr><td style='display:none'>a<tr><td>x</table>b", "b"),
        ("<img style='display:none' alt='pixel'>a", "a"),
        ("a<a style='display:none' href='https://x.example/'>trap</a>b", "ab"),
        ("a&#8203;b", "ab"),
        (PERSIAN, PERSIAN),
        ("", ""),
    ],
)
def test_html_becomes_text_that_keeps_its_lines_and_links(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(
    st.lists(
        st.sampled_from(["<", ">", "<!", "<![", "]]>", "<a href='", "</", "<p", "&#", "-->", "<!--", "x", "'", "\n"])
    ).map("".join)
)
@settings(max_examples=200, deadline=None)
def test_broken_html_never_stops_a_mail(html: str) -> None:
    assert "\f" not in html_to_text(html)


def test_the_footer_stands_in_both_parts_with_address_and_link() -> None:
    html, text = with_footer("<html><body><p>Hi</p></body></html>", "Hi\n", URL, "ACME <Ltd>\r\n1 High St & Co\n\n")
    before, footer = html.split("<p>Hi</p>")
    assert before == "<html><body>"
    assert "ACME &lt;Ltd&gt;<br>1 High St &amp; Co" in footer
    assert 'href="https://crm.example/u/tok-1?a=1&amp;b=2"' in footer
    assert footer.endswith("</div></body></html>")
    assert text == f"Hi\n\n---\nACME <Ltd>\n1 High St & Co\nUnsubscribe: {URL}\n"


@pytest.mark.parametrize(
    ("html", "behind"),
    [
        ("<p>x</p>", ""),
        ("<html><p>x</p></html>\n", "</html>\n"),
        ("<BODY><p>x</p></BODY ></HTML>", "</BODY ></HTML>"),
        ("<body><p>x</p></body><!-- </body> -->", "</body><!-- </body> -->"),
        ("<body><!-- </body> --><p>x</p></body>", "</body>"),
        ("<body><p>x</p></body></body>", "</body>"),
        ("<body><p>x</p><!-- never closed", "<!-- never closed"),
        ("<body><p>x</p></body><!-- </body>", "</body><!-- </body>"),
    ],
)
def test_the_footer_stands_before_the_end_of_the_body_that_a_reader_sees(html: str, behind: str) -> None:
    written, _ = with_footer(html, "", URL, "1 High St")
    assert written.endswith(f"</div>{behind}")
    assert len(written) > len(html)


def test_a_part_that_is_not_there_is_not_made() -> None:
    assert with_footer("", "Hi", URL, "1 High St")[0] == ""
    assert with_footer("<p>Hi</p>", "", URL, "1 High St")[1] == ""


@pytest.mark.parametrize("address", ["", "  ", "\r\n", "\x00"])
def test_without_a_postal_address_there_is_no_mail(address: str) -> None:
    with pytest.raises(RejectedInput, match="postal address"):
        with_footer("<p>x</p>", "x", URL, address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "https://",
        "https://x.example/ y",
        'https://x.example/"',
        "https://x.example/\nBcc:",
        "https://[x",
        "https://x.example/>",
    ],
)
def test_what_is_no_link_is_not_put_into_a_footer(url: str) -> None:
    if url == 'https://x.example/"':
        assert "&quot;" in with_footer("<p>x</p>", "", url, "1 High St")[0]
        return
    with pytest.raises(RejectedInput, match="URL"):
        with_footer("<p>x</p>", "x", url, "1 High St")


@pytest.mark.parametrize(
    ("name", "written"),
    [
        (None, "a@example.com"),
        (" \r\n", "a@example.com"),
        ("Ann", "Ann <a@example.com>"),
        ("Doe, Jane", '"Doe, Jane" <a@example.com>'),
        ('The "A" \\ Team', r'"The \"A\" \\ Team" <a@example.com>'),
        ("Eve\r\nBcc: all@example.com", '"Eve Bcc: all@example.com" <a@example.com>'),
        ("Zoë", "=?utf-8?q?Zo=C3=AB?= <a@example.com>"),
    ],
)
def test_a_name_stands_before_its_address(name: str | None, written: str) -> None:
    assert formatted_address(name, "a@example.com") == written


def test_a_long_name_in_other_letters_takes_several_words_of_at_most_75_characters_in_one_line() -> None:
    *words, address = formatted_address("é" * 60, "a@example.com").split(" ")
    assert len(words) > 1
    assert all(word.startswith("=?utf-8?") and len(word) <= 75 for word in words)
    assert address == "<a@example.com>"


def test_a_domain_in_other_letters_is_written_in_ascii() -> None:
    assert formatted_address("Ann", "ann@bücher.example") == "Ann <ann@xn--bcher-kva.example>"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@",
        "@example.com",
        "a b@example.com",
        "a@example.com\r\nBcc: x@example.com",
        "<a@example.com>",
        "a@b@example.com",
        '"a,b"@example.com',
        "zoë@example.com",
        "a@example.com, b@example.com",
    ],
)
def test_an_address_that_no_header_may_hold_is_refused_without_being_repeated(address: str) -> None:
    with pytest.raises(RejectedInput) as refused:
        formatted_address("Ann", address)
    assert str(refused.value) == "not an address that a mail can carry"


@given(NAMES)
@settings(max_examples=300, deadline=None)
def test_whatever_a_name_holds_a_mail_program_reads_that_name_and_one_address(name: str) -> None:
    written = formatted_address(name, "a@example.com")
    assert written.isascii()
    assert one_line(written) == written
    header = message_from_string(f"From: {written}\n\n", policy=policy.default)["from"]
    assert [address.addr_spec for address in header.addresses] == ["a@example.com"]
    assert "".join(header.addresses[0].display_name.split()) == "".join(one_line(name).split())
