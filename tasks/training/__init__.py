"""WHAT IT IS FOR: the reader that a training job uses, its config, the first example of a job."""
