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
        ops.CreateModel(
            name='RisingRow',
            fields=[
                ('actor_id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=36)),
                ('newest_ms', fields.BigIntField()),
                ('after_ms', fields.BigIntField()),
                ('after_id', fields.CharField(max_length=24)),
            ],
            options={'table': 'rising', 'app': 'pet', 'pk_attr': 'actor_id', 'table_description': 'Someone with many followers who has news of which not all of their follows know yet, and how far that is.'},
            bases=['Model'],
        ),
        ops.AlterModelOptions(
            name='FollowRow',
            options={'table': 'follow', 'app': 'pet', 'unique_together': (('follower_id', 'following_id'),), 'indexes': [Index(fields=['follower_id', 'state', 'created_ms', 'object_id'], name='follow_by_follower'), Index(fields=['following_id', 'state', 'created_ms', 'object_id'], name='follow_by_following'), Index(fields=['follower_id', 'state', 'newest_ms', 'object_id'], name='follow_by_news')], 'pk_attr': 'object_id', 'table_description': 'A follow, or a request to follow, no activity of the followed one is newer than `newest_ms`.'},
        ),
        ops.AddField(
            model_name='FollowRow',
            name='newest_ms',
            field=fields.BigIntField(db_default=0),
        ),
        ops.AddIndex(
            model_name='FollowRow',
            index=Index(fields=['follower_id', 'state', 'newest_ms', 'object_id'], name='follow_by_news'),
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='attempts',
            field=fields.IntField(db_default=0),
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='error',
            field=fields.CharField(null=True, max_length=500),
        ),
        ops.AddField(
            model_name='OutboxRow',
            name='held_until_ms',
            field=fields.BigIntField(db_default=0),
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
        # What is there already: no activity of the followed one is newer than its newest, and what was counted stays.
        ops.RunSQL(
            "UPDATE follow SET newest_ms = coalesce("
            "(SELECT max(created_ms) FROM activity WHERE activity.actor_id = follow.following_id), 0)",
            reverse_sql=ops.RunSQL.noop,
        ),
        ops.RunSQL(
            "INSERT INTO play_ledger (track_id, owner_id, day, plays)"
            " SELECT file_id, user_id, 0, play_count FROM file WHERE play_count > 0",
            reverse_sql=ops.RunSQL.noop,
        ),
        ops.RunSQL(
            "INSERT INTO play_ledger (track_id, owner_id, day, plays)"
            " SELECT user_id, user_id, 0, plays - known FROM (SELECT user_id, plays, (SELECT coalesce(sum(play_count), 0)"
            " FROM file WHERE file.user_id = profile.user_id) AS known FROM profile) AS counted WHERE plays > known",
            reverse_sql=ops.RunSQL.noop,
        ),
    ]
