"""Mail and text messages that wait: asked again when their reason goes, and shown with it."""
