"""What servers of many kinds write when an address will never work, and what they write when it is something else.

The sentences are ours, about addresses that nobody has, each in the words of a server that is named in the table.
"""

import pytest

from crm_relay.providers.bison.bounces import is_permanent_bounce

NEVER = [
    "<ada@example.com>: host mx.example.com said: 553 sorry, badrcptto(user mail-box not found) (#5.7.1)",
    "551 <ada@example.com> is a deactivated mailbox",
    "550 User [ada.l@example.com] does not exist (in reply to RCPT TO command) Status: 5.0.0",
    "User Ada L (ada@example.com) not listed in Domino Directory",
    "(reason: 550 5.7.1 No such user c18si2365148hub)\n550 5.1.1 <ada@example.com>... User unknown",
    "550 5.7.1 No mailbox found",
    "550 No such domain at this location (ada@example.com)",
    "550 ** No mail box available for this user ** Status: 5.0.0",
    "550 Recipient Rejected: No account by that name here",
    "554 Rcpt <ada@example.com> does not exist",
    "550 BAD_RECIPIENT - see the page of the university",
    "550-ada@example.com is not an active address at this\n550 host",
    "553 5.3.0 <ada@example.com>... Address does not\n    exist",
    "SMTP:RCPT host 192.0.2.1: 553 5.3.0 <ada@example.com>... No such user here",
    "Unknown user: ada@example.com\nRCPT TO: 553 5.3.0 <ada@example.com>... Addressee unknown, relay=[192.0.2.1]",
    "<ada@example.com>: Requested action not taken: mailbox unavailable. [SMTP Error Code 550]",
    "ada@example.com: Domain does not exist Status: 5.0.0",
    "Invalid final delivery userid: ada@example.com",
    "L’adresse de messagerie référencée ci-dessus n’existe pas.",
    "Your message to local user ada\nUser not known",
    "this email address is wrong or no longer valid",
    "ada: No matches to nameserver query",
    "550 5.1.2 <ada@example.org>... Host unknown (Name server: host not found)",
    "#550 RESOLVER.ADR.RecipNotFound; not found ##",
    "550 <ada@example.com> not found",
    "550 recipient ada@example.com was not found in the directory",
    "550 nonexistent user",
    "550 There is no one at this address",
    "550 Nessun utente simile in questo indirizzo",
    "550 No existe dicha persona",
    "550 Empfaenger unbekannt",
    "501 Odbiorca <ada@example.com> nie istnieje",
    "550 Utilisateur inconnu !",
]
SOMETHING_ELSE = [
    "550 Requested action not taken: mailbox unavailable (not enough free space)",
    "553 Sender Policy Framework (SPF) fail\n550 5.1.1 ada@example.com... User unknown",
    "Failed; 5.1.1 (bad destination mailbox address)\n550 RCPT TO:<ada@example.com> max message size exceeded",
    "553 5.1.8 <us@example.com>... Domain of sender address us@example.com does not exist",
    "550 5.7.1 Unable to relay for ada@example.com",
    "550 <ada@example.com>: Relay access denied, no such user in our relaying table",
    "552 5.2.2 ada@example.com is over quota, user not found later",
    "550 Recipient Rejected: Non-member posting is disabled for this list",
    "550 5.7.1 our system has blocked this message, no such user",
    "ada@example.com\nall hosts have been failing for a long time",
    "Name service error for domain example.com: Host not found, try again",
    "550 Your server requires confirmation",
    "Delivery to the following recipients failed.",
    "554 Message looping (received 6 times)",
    "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
]


@pytest.mark.parametrize("text", NEVER)
def test_an_address_that_will_never_work_is_known_by_the_words_of_its_server(text: str) -> None:
    assert is_permanent_bounce(text)


@pytest.mark.parametrize("text", SOMETHING_ELSE)
def test_what_may_pass_or_is_about_us_mutes_nobody(text: str) -> None:
    assert not is_permanent_bounce(text)


def test_the_headers_of_our_own_mail_in_a_report_say_nothing_about_the_refusal() -> None:
    assert is_permanent_bounce("550 5.1.1 User unknown\n\nReceived-SPF: pass\nAuthentication-Results: dmarc=pass")
