"""Pure decisions about evidence: sets of seconds, and which answers were failures of ours."""
