"""Who gets what over every front, compared with a model of the policy; and ids of others, tried everywhere."""
