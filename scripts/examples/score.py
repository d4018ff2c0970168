"""One row in, one row out: what an order is worth. A command for `mpart map`, and a module for the old script."""
import csv
import sys

COLUMNS = ["order_id", "region", "worth"]


def score(row):
    worth = float(row["price"]) * int(row["quantity"]) if row["price"] and row["quantity"] else 0.0
    return [row["order_id"], row["region"], f"{worth * (1.1 if row['paid'] == 'true' else 1.0):.2f}"]


if __name__ == "__main__":
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    out.writerows(score(row) for row in csv.DictReader(sys.stdin))
