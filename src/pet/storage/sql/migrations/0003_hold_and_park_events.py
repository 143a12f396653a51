from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('pet', '0002_note_published_events')]

    initial = False

    operations = [
        ops.CreateModel(
            name='PlayLedgerRow',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('track_id', fields.CharField(max_length=36)),
                ('owner_id', fields.CharField(db_index=True, max_length=36)),
                ('day', fields.IntField()),
                ('plays', fields.BigIntField()),
            ],
            options={'table': 'play_ledger', 'app': 'pet', 'unique_together': (('track_id', 'day'),), 'pk_attr': 'id', 'table_description': 'How many plays of a track counted on a day (UTC), kept when the track is deleted.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='ProfileUpdateRow',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('user_id', fields.CharField(max_length=36)),
                ('updated_ms', fields.BigIntField(db_index=True)),
            ],
            options={'table': 'profile_update', 'app': 'pet', 'unique_together': (('user_id', 'updated_ms'),), 'pk_attr': 'id', 'table_description': 'When a profile was updated, which of the updates of an hour is told depends on all of them.'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='attempts',
            field=fields.IntField(default=0),
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='error',
            field=fields.CharField(null=True, max_length=500),
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='held_until_ms',
            field=fields.BigIntField(default=0),
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='parked_ms',
            field=fields.BigIntField(null=True),
        ),
        ops.AddIndex(
            model_name='OutboxRow',
            index=Index(fields=['user_id', 'delivered_ms', 'event_id'], name='outbox_by_user'),
        ),
    ]
