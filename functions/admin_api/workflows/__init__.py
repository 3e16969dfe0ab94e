"""The routes under /api/workflows."""
