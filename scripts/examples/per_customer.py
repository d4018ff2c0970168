"""All orders of some customers in, a row for each customer out. Needs all rows of a customer in one place."""
import csv
import sys

COLUMNS = ["customer", "orders", "first_day", "last_day", "regions"]


def summarise(rows):
    customers = {}
    for row in rows:
        customers.setdefault(row["customer"], []).append(row)
    for customer in sorted(customers):
        orders = customers[customer]
        days = [row["day"] for row in orders if row["day"]]
        regions = sorted({row["region"] for row in orders if row["region"]})
        yield [customer, len(orders), min(days, default=""), max(days, default=""), "+".join(regions)]


if __name__ == "__main__":
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(COLUMNS)
    out.writerows(summarise(csv.DictReader(sys.stdin)))
