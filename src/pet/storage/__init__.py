"""The engines behind the domain's protocols, one package for each technology; `app.py` alone chooses among them."""
