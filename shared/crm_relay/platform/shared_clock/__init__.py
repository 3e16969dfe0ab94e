"""The clock that workers side by side have in common."""
