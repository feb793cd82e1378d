"""WHAT OTHERS PUBLISHED: folders of published sets as items, places and a spec, for the ordinary build to read."""
