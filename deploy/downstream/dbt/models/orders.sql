select
    id,
    customer,
    try_cast(amount as decimal(18, 2)) as amount,
    _lf_arrival,
    _lf_record
from {{ source('landfall', 'orders') }}
