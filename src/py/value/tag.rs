//! Type tags: the same in digests and in payloads, and never given to another type.

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $value:literal),* $(,)?) => {
        $($(#[$doc])* pub const $name: u8 = $value;)*
    };
}

tags! {
    NONE = 0, FALSE = 1, TRUE = 2, INT = 3, BIG_INT = 4, FLOAT = 5, COMPLEX = 6,
    STR = 7, STR_SURROGATES = 8, BYTES = 9, BYTEARRAY = 10,
    TUPLE = 11, LIST = 12, DICT = 13, SET = 14, FROZENSET = 15,
    RANGE = 16, SLICE = 17, ELLIPSIS = 18,
    DATETIME = 24, DATE = 25, TIME = 26, TIMEDELTA = 27,
    TIMEZONE = 28, ZONE_INFO = 29, PYTZ = 30,
    /// A dataclass instance or a named tuple; decoded only behind a seal.
    RECORD = 40,
    /// A long text or bytes, or a bytearray, which may be met again.
    SHARED = 41,
    DECIMAL = 32, UUID = 33, PATH = 34, FRACTION = 35,
    NDARRAY = 48, NDARRAY_OBJECT = 49, NDARRAY_RECORD = 50, NUMPY_SCALAR = 51, NUMPY_DTYPE = 52,
    NDARRAY_STRINGS = 53,
    /// An array that is read-only, or a `memmap`.
    NDARRAY_MANNERS = 54, NDARRAY_MASKED = 55,
    FRAME = 64, SERIES = 65, INDEX = 66, RANGE_INDEX = 67, DATETIME_INDEX = 68,
    TIMEDELTA_INDEX = 69, PERIOD_INDEX = 70, INTERVAL_INDEX = 71, CATEGORICAL_INDEX = 72,
    MULTI_INDEX = 73, TIMESTAMP = 74, PANDAS_TIMEDELTA = 75, NAT = 76, NA = 77,
    PERIOD = 78, INTERVAL = 79,
    DATETIME_ARRAY = 80, TIMEDELTA_ARRAY = 81, PERIOD_ARRAY = 82, INTERVAL_ARRAY = 83,
    CATEGORICAL = 84, MASKED_ARRAY = 85, STRING_ARRAY = 86, ARROW_ARRAY = 87, SPARSE_ARRAY = 88,
    PANDAS_NUMPY_ARRAY = 89, PANDAS_ZONE = 90,
    POLARS_FRAME = 96, POLARS_SERIES = 97,
    /// In payloads: columns as they lie in memory. Those above were, with lengths and text end to end.
    POLARS_FRAME_IN_MEMORY = 98, POLARS_SERIES_IN_MEMORY = 99,
    /// A dictionary in no order.
    UNORDERED_DICT = 128,
    /// What `take_apart` made of a value.
    OBJECT = 129,
    /// A function or a class.
    CODE = 130,
    /// A value that holds itself.
    CYCLE = 131,
    /// A value that leads back to one that holds itself.
    CYCLE_MEMBER = 132,
    PYARROW_ARRAY = 112, PYARROW_CHUNKED = 113, PYARROW_BATCH = 114, PYARROW_TABLE = 115,
    PYARROW_SCALAR = 116, PYARROW_SCHEMA = 117, PYARROW_FIELD = 118, PYARROW_TYPE = 119,
    /// A value that stands behind its own digest.
    COMPOSITE = 240,
    /// An object that was met before, by its number.
    REFERENCE = 241,
    /// What nothing else fits; decoded only behind a seal. 242 was one without values beside it.
    PICKLE = 243,
}
