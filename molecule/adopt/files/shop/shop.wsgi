import os
import sys

sys.path.insert(0, "/srv/shop")
os.environ["SHOP_COLOUR"] = "secret-red"

from shop.web import app as application
