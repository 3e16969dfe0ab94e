"""Steps that wait: whether their mail may still leave, and which are asked again when the reason of a hold goes."""
