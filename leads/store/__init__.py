"""The database: the only place that holds SQL, for SQLite and PostgreSQL alike.

Where to look:

    tables            `models` names all of them; they stand in `base` and `*_tables`; `migrations` made them
    connections       `engine`, `migrate`; who waits for whom: `lock_order`, `long_reads`, `bulk`
    who calls         `lookup` and its two databases, `directory`, `number_owners`, `last_talks`, `callers`
    calls             `calls` writes them: `stored_calls`, `people_of_calls`, `follow_up`, `failed_calls`; `board` and
                      `call_rows` show them; `recovery`, `recordings`
    cards             `lead_card`, `counterparty_card`, and `cards`, which both share; how leads end and begin again:
                      `closing`, `reopening`, `merging`; what goes along: `belongings`; `pins`
    what is to do     `plans`, `daily_plans`, `plan_lists`, `tasks`, `day_lists`
    lists             `leads`, `counterparties`; how they stay quick: `listing`, `list_*`, `narrowing`, `search`
    files             `exports`, `imports`, `*_import`, `import_undo`; `phone_book`
    reports           `call_report`, `lead_report`, `contact_report`
    the company       `company`, `duty`, `sources`, `statuses`; who leaves: `leaving`, `handing_over`
    rights, records   `access`, `visibility`, `audit`, `retention`, `erasing`
"""
