"""Text that tries to end its literal, open a comment or pass for a parameter."""

from hypothesis import strategies as st

STORABLE_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
HOSTILE_PIECES = st.sampled_from(
    ["'", "''", "\\", "\\'", ";", "--", "/*", "*/", "$$", "$a$", ":a", "::", '"', "\n", "€", "E'"]
)
HOSTILE_TEXT = st.lists(HOSTILE_PIECES | STORABLE_TEXT).map("".join)
