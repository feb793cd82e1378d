"""WHAT IT IS: the layer protocol, and the layers."""
