"""Settings of the login pages (Flask AppBuilder): accounts are in Airflow's own database."""

from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
WTF_CSRF_ENABLED = True
