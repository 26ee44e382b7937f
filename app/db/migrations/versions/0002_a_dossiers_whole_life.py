"""A dossier's whole life, invitations, devices, voiding, and the funnel."""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql
revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the schema up."""
    op.create_table('device_refusal',
    sa.Column('agency_id', sa.Integer(), nullable=False),
    sa.Column('device', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('device_seq', sa.BigInteger(), nullable=False),
    sa.Column('code', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('received_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('device_refusal_agency_id_fkey')),
    sa.PrimaryKeyConstraint('agency_id', 'device', 'device_seq', name=op.f('device_refusal_pkey'))
    )
    op.create_table('funnel',
    sa.Column('agency_id', sa.Integer(), nullable=False),
    sa.Column('month', sa.Date(), nullable=False),
    sa.Column('counter', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('procedure', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('channel', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('received', sa.BigInteger(), nullable=False),
    sa.Column('returned', sa.BigInteger(), nullable=False),
    sa.Column('late', sa.BigInteger(), nullable=False),
    sa.Column('invited', sa.BigInteger(), nullable=False),
    sa.Column('opened', sa.BigInteger(), nullable=False),
    sa.Column('rated', sa.BigInteger(), nullable=False),
    sa.CheckConstraint('extract(day FROM month) = 1', name=op.f('funnel_month_check')),
    sa.CheckConstraint('least(received, returned, late, invited, opened, rated) >= 0', name=op.f('funnel_counts_check')),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('funnel_agency_id_fkey')),
    sa.PrimaryKeyConstraint('agency_id', 'month', 'counter', 'procedure', 'channel', name=op.f('funnel_pkey'))
    )
    op.create_table('device',
    sa.Column('code', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('agency', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('counter', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('revoked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.ForeignKeyConstraint(['agency', 'counter'], ['counter.agency', 'counter.code'], name=op.f('device_agency_counter_fkey')),
    sa.ForeignKeyConstraint(['agency'], ['agency.code'], name=op.f('device_agency_fkey')),
    sa.PrimaryKeyConstraint('code', name=op.f('device_pkey')),
    sa.UniqueConstraint('hash', name=op.f('device_hash_key'))
    )
    op.create_table('invitation',
    sa.Column('agency_id', sa.Integer(), nullable=False),
    sa.Column('dossier', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('number', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('survey_id', sa.Integer(), nullable=False),
    sa.Column('issued_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('expires_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
    sa.Column('revoked_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
    sa.Column('opened', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['agency_id', 'dossier'], ['dossier.agency_id', 'dossier.code'], name=op.f('invitation_agency_id_dossier_fkey')),
    sa.ForeignKeyConstraint(['survey_id'], ['survey.id'], name=op.f('invitation_survey_id_fkey')),
    sa.PrimaryKeyConstraint('agency_id', 'dossier', 'number', name=op.f('invitation_pkey')),
    sa.UniqueConstraint('agency_id', 'token_hash', name=op.f('invitation_agency_id_token_hash_key'))
    )
    op.create_index('invitation_live_key', 'invitation', ['agency_id', 'dossier'], unique=True, postgresql_where=sa.text('revoked_at IS NULL'))
    op.add_column('dossier', sa.Column('receipt_due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.add_column('dossier', sa.Column('new_due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.add_column('dossier', sa.Column('ended_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.alter_column('dossier', 'due_at',
               existing_type=postgresql.TIMESTAMP(timezone=True),
               nullable=True)
    op.execute('UPDATE dossier SET receipt_due_at = due_at, ended_at = returned_at')
    op.create_check_constraint(op.f('dossier_receipt_due_check'), 'dossier', 'receipt_due_at >= received_at')
    op.create_check_constraint(op.f('dossier_new_due_check'), 'dossier', 'new_due_at > due_at')
    op.create_check_constraint(op.f('dossier_status_check'), 'dossier', 'status BETWEEN 1 AND 10')
    op.create_check_constraint(op.f('dossier_promised_check'), 'dossier',
                               'due_at IS NOT NULL OR status IN (1, 3, 5, 7, 8)')
    op.create_check_constraint(op.f('dossier_ended_check'), 'dossier',
                               'status = 8 OR (status IN (3, 7, 10)) = (ended_at IS NOT NULL)')
    op.create_index('dossier_open_idx', 'dossier', ['agency_id', 'due_at'], unique=False, postgresql_where=sa.text('ended_at IS NULL'))
    op.add_column('dossier_event', sa.Column('due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.add_column('dossier_event', sa.Column('new_due_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.add_column('dossier_event', sa.Column('reason', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.add_column('dossier_event', sa.Column('cancels', sa.Integer(), nullable=True))
    op.add_column('dossier_event', sa.Column('cancelled_by', sa.Integer(), nullable=True))
    op.add_column('dossier_event', sa.Column('request_key', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.create_index('dossier_event_request_key', 'dossier_event', ['agency_id', 'dossier', 'request_key'], unique=True, postgresql_where=sa.text('request_key IS NOT NULL'))
    op.create_check_constraint(op.f('dossier_event_cancelled_later_check'), 'dossier_event', 'cancelled_by > number')
    op.create_check_constraint(op.f('dossier_event_cancels_check'), 'dossier_event',
                               "(type = 'corrected') = (cancels IS NOT NULL)")
    op.create_index('dossier_event_once_key', 'dossier_event', ['agency_id', 'dossier', 'type', 'at'], unique=True, postgresql_where=sa.text("cancelled_by IS NULL AND type <> 'corrected'"))
    # A rating of before has no digest: sent again under its id it counts as another request. Where
    # its dossier was returned is not known; it is counted in the funnel where it was given.
    op.alter_column('rating', 'dossier_reference', new_column_name='reference')
    op.add_column('rating', sa.Column('digest', sa.LargeBinary(), nullable=False, server_default=''))
    op.alter_column('rating', 'digest', server_default=None)
    op.add_column('rating', sa.Column('device', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.add_column('rating', sa.Column('funnel_month', sa.Date(), nullable=True))
    op.add_column('rating', sa.Column('funnel_counter', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.execute("""
        UPDATE rating
           SET funnel_month = date_trunc('month', rated_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
               funnel_counter = counter
    """)
    op.alter_column('rating', 'funnel_month', nullable=False)
    op.add_column('rating', sa.Column('voided_at', sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True))
    op.add_column('rating', sa.Column('voided_by', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.add_column('rating', sa.Column('void_reason', sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.add_column('rating', sa.Column('released', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.alter_column('rating', 'released', server_default=None)
    op.create_check_constraint(op.f('rating_voided_check'), 'rating', '(voided_at IS NULL) = (void_reason IS NULL)')
    op.create_check_constraint(op.f('rating_released_check'), 'rating', 'voided_at IS NOT NULL OR NOT released')
    op.drop_index('rating_dossier_reference_key', table_name='rating')
    op.create_index('rating_reference_key', 'rating', ['agency_id', 'reference'], unique=True, postgresql_where=sa.text('NOT released'))
    op.create_index('rating_device_seq_key', 'rating', ['agency_id', 'device', 'device_seq'], unique=True, postgresql_where=sa.text('device IS NOT NULL'))
    op.add_column('survey', sa.Column('invitation_days', sa.Integer(), nullable=True))
    op.execute("UPDATE survey SET invitation_days = 30")
    op.add_column('survey', sa.Column('layout', postgresql.ARRAY(sa.Integer()), nullable=True))
    op.execute("""
        UPDATE survey
           SET layout = (
               SELECT array_agg(before ORDER BY place) || (1 + sum(options))::int
                 FROM (SELECT place, options, (1 + sum(options) OVER (ORDER BY place) - options)::int AS before
                         FROM (SELECT row_number() OVER (ORDER BY c.place, q.place) AS place,
                                      jsonb_array_length(q.question -> 'options') AS options
                                 FROM jsonb_array_elements(questionnaire.document -> 'criteria')
                                      WITH ORDINALITY AS c (criterion, place)
                                CROSS JOIN LATERAL jsonb_array_elements(c.criterion -> 'questions')
                                      WITH ORDINALITY AS q (question, place)) AS sized) AS laid)
          FROM questionnaire
         WHERE (questionnaire.code, questionnaire.version) = (survey.questionnaire, survey.version)
    """)
    op.alter_column('survey', 'layout', nullable=False)
    # Adding up counts, place by place.
    op.execute("""
        CREATE FUNCTION add_counts(bigint[], bigint[]) RETURNS bigint[]
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
        $$ SELECT ARRAY(SELECT a + b FROM unnest($1, $2) AS both_sides (a, b)) $$
    """)
    op.execute("""
        CREATE AGGREGATE sum_counts(bigint[]) (
            sfunc = add_counts, stype = bigint[], combinefunc = add_counts, parallel = safe)
    """)
    op.execute("ALTER TABLE tally RENAME TO tally_by_cell")
    op.execute("ALTER INDEX tally_pkey RENAME TO tally_by_cell_pkey")
    op.create_table('tally',
    sa.Column('agency_id', sa.Integer(), nullable=False),
    sa.Column('survey_id', sa.Integer(), nullable=False),
    sa.Column('facet', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('month', sa.Date(), nullable=False),
    sa.Column('facet_key', sqlmodel.sql.sqltypes.AutoString(), nullable=False),
    sa.Column('counts', postgresql.ARRAY(sa.BigInteger()), nullable=False),
    sa.CheckConstraint('0 <= ALL (counts)', name=op.f('tally_counts_check')),
    sa.CheckConstraint('extract(day FROM month) = 1', name=op.f('tally_month_check')),
    sa.CheckConstraint("facet IN ('all', 'channel', 'counter', 'procedure', 'officer', 'basis')", name=op.f('tally_facet_check')),
    sa.ForeignKeyConstraint(['agency_id'], ['agency.id'], name=op.f('tally_agency_id_fkey')),
    sa.ForeignKeyConstraint(['survey_id'], ['survey.id'], name=op.f('tally_survey_id_fkey')),
    sa.PrimaryKeyConstraint('agency_id', 'survey_id', 'facet', 'month', 'facet_key', name=op.f('tally_pkey'))
    )
    op.execute("""
        INSERT INTO tally (agency_id, survey_id, facet, month, facet_key, counts)
        SELECT t.agency_id, t.survey_id, t.facet, t.month, t.facet_key, ARRAY(
               SELECT coalesce(sum(cell.n), 0)::bigint
                 FROM generate_series(1, survey.layout[cardinality(survey.layout)]) AS every (place)
                 LEFT JOIN tally_by_cell AS cell
                   ON (cell.agency_id, cell.survey_id, cell.facet, cell.month, cell.facet_key)
                    = (t.agency_id, t.survey_id, t.facet, t.month, t.facet_key)
                  AND place = CASE cell.question WHEN 0 THEN 1 ELSE survey.layout[cell.question] + cell.option END
                GROUP BY place ORDER BY place)
          FROM (SELECT DISTINCT agency_id, survey_id, facet, month, facet_key FROM tally_by_cell) AS t
          JOIN survey ON survey.id = t.survey_id
    """)
    op.drop_table('tally_by_cell')
    op.execute("""
        CREATE VIEW tally_cell AS
        SELECT tally.agency_id, tally.survey_id, tally.facet, tally.month, tally.facet_key,
               question::smallint, (CASE question WHEN 0 THEN 0 ELSE place - survey.layout[question] END)::smallint AS option, n
          FROM tally
          JOIN survey ON survey.id = tally.survey_id
         CROSS JOIN LATERAL unnest(tally.counts) WITH ORDINALITY AS count (n, place)
         CROSS JOIN LATERAL width_bucket(place::int - 1, survey.layout) AS question
         WHERE n > 0
    """)
    op.execute("""
        INSERT INTO funnel
        SELECT agency_id, month, counter, procedure, channel, sum(received), sum(returned), sum(late), 0, 0, sum(rated)
          FROM (SELECT agency_id, date_trunc('month', received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS month,
                       coalesce(counter, '') AS counter, procedure, channel, 1 AS received, 0 AS returned, 0 AS late, 0 AS rated
                  FROM dossier
                 UNION ALL
                SELECT agency_id, date_trunc('month', returned_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
                       coalesce(counter, ''), procedure, channel, 0, 1, (returned_at > due_at)::int, 0
                  FROM dossier WHERE returned_at IS NOT NULL
                 UNION ALL
                SELECT agency_id, funnel_month, coalesce(funnel_counter, ''), procedure, service_channel, 0, 0, 0, 1
                  FROM rating) AS counted
         GROUP BY 1, 2, 3, 4, 5
    """)
    # The busiest rows are updated for every rating: room beside them keeps the updates on their page.
    op.execute("ALTER TABLE tally SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)")
    op.execute("ALTER TABLE funnel SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05)")
    # Each process keeps what it read of these tables until it is told that one of them has changed.
    op.execute("""
        CREATE FUNCTION catalogue_changed() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_notify('hailong_catalogue', ''); RETURN NULL; END $$
    """)
    for table in ('agency', 'api_key', 'counter', 'device', 'peer_group_member', 'questionnaire', 'survey', 'survey_agency'):
        op.execute(f"""
            CREATE TRIGGER {table}_changed AFTER INSERT OR UPDATE OR DELETE ON {table}
            FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed()
        """)
