from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('pet', '0003_hold_events_and_order_news')]

    initial = False

    operations = [
        ops.CreateModel(
            name='FamiliarNetworkRow',
            fields=[
                ('network', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=64)),
                ('user_id', fields.CharField(max_length=36)),
                ('noted_ms', fields.BigIntField(db_index=True)),
            ],
            options={'table': 'familiar_network', 'app': 'pet', 'indexes': [Index(fields=['user_id', 'noted_ms', 'network'], name='familiar_network_by_user')], 'pk_attr': 'network', 'table_description': 'A network from which someone has logged in, under a digest that tells of both.'},
            bases=['Model'],
        ),
    ]
