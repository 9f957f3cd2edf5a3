"""What an environment costs on AWS: before it is there, while it is, and for each thing that is left of one.

    prices     the dated table (prices.json), by region
    things     what is priced: a resource's type and inputs, whoever tells of it
    pricing    a thing's price; every type of the program is priced, billed by use, or free
    planned    the things that settings would make, on either tenancy
    listed     what AWS itself says, with credentials, to compare the table with
    standing   the things that stand: in a stack's state, or found in the cloud
    report     totals, tables, the comment for a pull request

Only `listed` asks anybody. A price that the table does not have is reported as missing, never zero.
"""
