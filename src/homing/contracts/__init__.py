"""Contracts: what was promised to whom, in which Service Time Zone, and which people keep the promise on either side.

In      operators and staff, by the command line and api.v1.support_*
Out     OrderForm, Contact, StaffMember, TAM and cover at an instant; the audit of every change
Owns    tables staff, staff_tokens, order_forms, contacts, contact_phones, support_pins, tam_assignments, covers, audit
Start   types.py, then store.py (Order Forms, TAM), people.py (staff), contacts.py
"""
