"""Gesso: a self-hosted studio for AI images."""

__version__ = "0.1.0"
