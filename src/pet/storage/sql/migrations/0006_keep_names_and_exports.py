from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.indexes import Index

class Migration(migrations.Migration):
    dependencies = [('pet', '0004_remember_networks')]

    initial = False

    operations = [
        ops.CreateModel(
            name='DataExportRow',
            fields=[
                ('export_id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=36)),
                ('user_id', fields.CharField(db_index=True, max_length=36)),
                ('current_of', fields.CharField(null=True, unique=True, max_length=36)),
                ('state', fields.CharField(max_length=9)),
                ('attempt', fields.IntField()),
                ('due_ms', fields.BigIntField()),
                ('done_bytes', fields.BigIntField()),
                ('total_bytes', fields.BigIntField()),
                ('size_bytes', fields.BigIntField()),
                ('requested_ms', fields.BigIntField()),
                ('ready_ms', fields.BigIntField(null=True)),
            ],
            options={'table': 'data_export', 'app': 'pet', 'indexes': [Index(fields=['state', 'due_ms', 'export_id'], name='data_export_by_due')], 'pk_attr': 'export_id', 'table_description': 'An archive of all that is known of someone, `due_ms` is when something is to be done about it next.'},
            bases=['Model'],
        ),
        ops.AddField(
            model_name='AccountRow',
            name='deleted_ms',
            field=fields.BigIntField(null=True),
        ),
        ops.AddIndex(
            model_name='PlayRow',
            index=Index(fields=['listener', 'id'], name='play_by_listener'),
        ),
    ]
