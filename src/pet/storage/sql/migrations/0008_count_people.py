from tortoise import migrations
from tortoise.migrations import operations as ops
from tortoise import fields
from tortoise.migrations.schema_editor.base import BaseSchemaEditor
from tortoise.indexes import Index

from pet.storage.sql.database import Statements
from pet.storage.sql.names import name_everyone


async def find_everyone_as_before(apps: object, editor: BaseSchemaEditor) -> None:
    await name_everyone(Statements(editor.client))


class Migration(migrations.Migration):
    dependencies = [('pet', '0007_keep_waveforms')]

    initial = False

    operations = [
        ops.CreateModel(
            name='PeopleCountRow',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('beginning', fields.BinaryField()),
                ('part', fields.IntField()),
                ('people', fields.BigIntField()),
            ],
            options={'table': 'people_count', 'app': 'pet', 'unique_together': (('beginning', 'part'),), 'pk_attr': 'id', 'table_description': 'How many people a beginning finds, in parts that are added up, the empty beginning is that of everyone.'},
            bases=['Model'],
        ),
        ops.CreateModel(
            name='ProfileNameRow',
            fields=[
                ('id', fields.BigIntField(generated=True, primary_key=True, unique=True, db_index=True)),
                ('beginning', fields.BinaryField()),
                ('created_ms', fields.BigIntField()),
                ('user_id', fields.CharField(db_index=True, max_length=36)),
            ],
            options={'table': 'profile_name', 'app': 'pet', 'indexes': [Index(fields=['beginning', 'created_ms', 'user_id'], name='profile_name_by_age')], 'pk_attr': 'id', 'table_description': 'A beginning by which a profile is found, in UTF-8, because bytes are equal or not whatever the collation.'},
            bases=['Model'],
        ),
        ops.RunPython(find_everyone_as_before),
        ops.DeleteModel(name='ProfileWordRow'),
    ]
