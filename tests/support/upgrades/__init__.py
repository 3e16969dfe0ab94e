"""The version before this one, which still runs while an installation is upgraded."""
