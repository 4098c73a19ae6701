"""Clients of open statistics: asked only when asked to, with every answer kept."""
