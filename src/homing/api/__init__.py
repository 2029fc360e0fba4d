"""API: the HTTP door. Translates requests to calls and results to answers, and decides nothing.

In      customers over HTTP; probes and Prometheus
Out     ingress.accept, events.store; one fault tag for every answer (evidence)
Owns    nothing
Start   app.make_app, then frame.py (what every request gets), auth.py, and one file a resource in v1/
"""
