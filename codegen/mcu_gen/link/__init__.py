"""The wire between host and device: frames, the table of messages, the host's side of a conversation."""
