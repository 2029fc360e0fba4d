"""homing: a self-hosted email platform, compatible with SparkPost's REST API and SMTP injection. ARCHITECTURE.md is the map."""
