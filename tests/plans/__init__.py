"""What real requests cost the stores of a large network: every statement's plan, and how many rows it touches."""
