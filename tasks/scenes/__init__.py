"""WHEN: scenes, their roles, and the rule that pairs them."""
