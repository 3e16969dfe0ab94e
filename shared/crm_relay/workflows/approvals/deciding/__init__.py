"""How an approval is decided, whichever way the decision comes."""
