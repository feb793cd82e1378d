"""WHAT IT IS: the layer protocol, and the layers."""

from tasks.labels.layer import Layer

__all__ = ["Layer"]
