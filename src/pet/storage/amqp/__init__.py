"""RabbitMQ (AMQP 0-9-1): the exchange by which other systems read the events."""
