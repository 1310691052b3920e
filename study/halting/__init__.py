"""When to stop: a trial, ranked against the whole front, and a study that has had enough."""
