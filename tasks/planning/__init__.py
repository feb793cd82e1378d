"""WHAT IT WILL TAKE: estimate, plan, feasibility."""
