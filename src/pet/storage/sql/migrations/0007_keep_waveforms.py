from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields

class Migration(migrations.Migration):
    dependencies = [('pet', '0006_keep_names_and_exports')]

    initial = False

    operations = [
        ops.CreateModel(
            name='WaveformRow',
            fields=[
                ('file_id', fields.CharField(primary_key=True, unique=True, db_index=True, max_length=36)),
                ('due_ms', fields.BigIntField(null=True, db_index=True)),
                ('attempts', fields.IntField(default=0)),
                ('peaks', fields.BinaryField(null=True)),
            ],
            options={'table': 'waveform', 'app': 'pet', 'pk_attr': 'file_id', 'table_description': 'A waveform, or the note that a track wants one: `due_ms` is then when, and null once it is made or given up.'},
            bases=['Model'],
        ),
    ]
