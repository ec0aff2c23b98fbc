from django.db import migrations, models

# A customer is of the mode of the orders that it came with.
_FILL = """
UPDATE billing_customer AS who SET live = coalesce((
    SELECT live FROM billing_order AS bought
    WHERE bought.workspace_id = who.workspace_id AND bought.gateway = who.gateway ORDER BY bought.created_at LIMIT 1
), true)
"""


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0005_plural'),
    ]

    operations = [
        migrations.RemoveConstraint('customer', 'customer_once'),
        migrations.RemoveConstraint('customer', 'customer_one_for_each_gateway'),
        migrations.AddField('customer', 'live', models.BooleanField(null=True)),
        migrations.RunSQL(_FILL, migrations.RunSQL.noop),
        migrations.AlterField('customer', 'live', models.BooleanField()),
        migrations.AddConstraint('customer', models.UniqueConstraint(models.F('gateway'), models.F('live'), models.F('external_id'), name='customer_once')),
        migrations.AddConstraint('customer', models.UniqueConstraint(models.F('workspace'), models.F('gateway'), models.F('live'), name='customer_one_for_each_gateway')),
    ]
