"""Consent of audiences: who left there, who left here, and who is therefore never added."""
