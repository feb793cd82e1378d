"""HOW IT IS SHOWN: pictures of a corpus."""
