"""What a connector of a workspace integration implements, and what the engine gives it; `contract.py` is the start."""
