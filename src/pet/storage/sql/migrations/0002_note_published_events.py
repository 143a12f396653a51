from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('pet', '0001_initial')]

    initial = False

    operations = [
        ops.AlterModelOptions(
            name='OutboxRow',
            options={'table': 'outbox', 'app': 'pet', 'indexes': [Index(fields=['delivered_ms', 'event_id'], name='outbox_by_delivery'), Index(fields=['published_ms', 'event_id'], name='outbox_by_publishing')], 'pk_attr': 'event_id', 'table_description': 'An event, stored with its change, null times say what still has to be done with it.'},
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='published_ms',
            field=fields.BigIntField(null=True),
        ),
        ops.AddIndex(
            model_name='OutboxRow',
            index=Index(fields=['published_ms', 'event_id'], name='outbox_by_publishing'),
        ),
    ]
